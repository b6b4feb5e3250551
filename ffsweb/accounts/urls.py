"""``/account/``: log-in, one's own account, and what one-time links lead to.

The pages of django-allauth are named one by one: what is not here does not exist (sign-up, e-mail, password reset by
mail, security keys).
"""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from django.urls import include, path

from .access import member_view, public_view
from .views import account as own
from .views import joining, own_tokens

own_urls = [
    path("", own.home, name="home"),
    path("sessions/end/", own.end_sessions, name="end_sessions"),
    path("tokens/", own_tokens.listing, name="tokens"),
    path("tokens/new/", own_tokens.create, name="token_new"),
    path("tokens/<int:token>/revoke/", own_tokens.revoke, name="token_revoke"),
    path("first/<str:token>/", joining.first, name="first"),
    path("join/<str:token>/", joining.join, name="join"),
    path("new-password/<str:token>/", joining.new_password, name="new_password"),
]

urlpatterns = [
    path("", include((own_urls, "accounts"))),
    path("login/", public_view(account.login), name="account_login"),
    path("logout/", public_view(account.logout), name="account_logout"),
    path("inactive/", public_view(account.account_inactive), name="account_inactive"),
    path("reauthenticate/", member_view(account.reauthenticate), name="account_reauthenticate"),
    path("password/", member_view(account.password_change), name="account_change_password"),
    path("2fa/", member_view(mfa.index), name="mfa_index"),
    path("2fa/authenticate/", public_view(mfa.authenticate), name="mfa_authenticate"),
    path("2fa/reauthenticate/", member_view(mfa.reauthenticate), name="mfa_reauthenticate"),
    path("2fa/app/on/", member_view(totp.activate_totp), name="mfa_activate_totp"),
    path("2fa/app/off/", member_view(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("2fa/codes/", member_view(codes.view_recovery_codes), name="mfa_view_recovery_codes"),
    path("2fa/codes/new/", member_view(codes.generate_recovery_codes), name="mfa_generate_recovery_codes"),
    path("2fa/codes/download/", member_view(codes.download_recovery_codes), name="mfa_download_recovery_codes"),
]
