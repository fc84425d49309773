"""The reader process: one film at a time, from its bytes to findings, results and a case. Knows no page and no peer."""
