//! How good an image is: figures that are defined in the literature, each with its source.
