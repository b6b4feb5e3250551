"""The processes of ffsweb: what each does when it runs, alone or under the supervisor. One module per command."""
