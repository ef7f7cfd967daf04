"""Word of what happens, for endpoints of users: signed, sent after the commit, repeated until it has arrived."""
