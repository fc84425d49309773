"""The revisions. A file is named ``<revision>_<title>.py``; the greatest revision is the head."""
