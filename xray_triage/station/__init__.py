"""The running station: the front process, what runs in it, and how a station is made and looked after."""
