"""What is kept: files in the spool, rows in the database, the queue of work. Knows no network and decodes no pixel."""
