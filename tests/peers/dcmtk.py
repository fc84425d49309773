"""dcmtk's tools as test peers: storescu, storescp, echoscu, dsrdump, and dicom3tools' dciodvfy."""
