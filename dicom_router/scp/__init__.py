"""What machines may ask of the station: storage, echo, worklist, performed steps. Knows no AI and no page."""
