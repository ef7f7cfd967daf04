"""The web server: uvicorn, with bounds on what a client may cost before anybody knows who it is."""
