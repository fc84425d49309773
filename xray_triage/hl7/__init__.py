"""Messages of HL7 version 2 and the frames (MLLP) in which they travel. Knows no order, no result, no database."""
