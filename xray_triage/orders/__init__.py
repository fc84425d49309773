"""Whom the X-ray machine shall film: registered at the station, offered as its worklist. Knows no page."""
