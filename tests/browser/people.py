"""People who log in by the page and stay logged in while a module's tests run."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, Page


class People:
    """One browser profile for each person, opened when they are first asked for."""

    def __init__(self, browser: Browser, address: str, passwords: dict[str, str]) -> None:
        self.browser, self.address, self.passwords = browser, address, passwords
        self._profiles: dict[str, BrowserContext] = {}

    def page(self, name: str = "", **options: object) -> Page:
        """A fresh page of ``name``, or of nobody. With ``options`` in a profile of its own."""
        if options:
            context = self._opened(**options)
            if name:
                self.log_in(context.new_page(), name)
            return context.new_page()
        if name not in self._profiles:
            context = self._opened()
            if name:
                self.log_in(context.new_page(), name)
            self._profiles[name] = context
        return self._profiles[name].new_page()

    def log_in(self, page: Page, name: str) -> None:
        """By user name and password, as a person does it."""
        page.goto(f"{self.address}/account/login/")
        page.locator("input[name=login]").fill(name)
        page.locator("input[name=password]").fill(self.passwords[name])
        page.locator("main form button").first.click()
        page.wait_for_url(f"{self.address}/")
        page.close()

    def close(self) -> None:
        for context in self.browser.contexts:
            context.close()

    def _opened(self, **options: object) -> BrowserContext:
        # Without motion: a colour on its way to another one is neither of the two.
        return self.browser.new_context(**{"reduced_motion": "reduce", "accept_downloads": True, **options})  # type: ignore[arg-type]
