"""From files to checked, de-duplicated, patient-split uint8 images on disk."""
