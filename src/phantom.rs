//! Shapes with closed-form line integrals: phantom descriptions, their rasters and their exact sinograms.
