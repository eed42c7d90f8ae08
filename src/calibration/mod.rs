//! What an MR scan tells of its own coils: noise covariance, virtual coils, sensitivities, density of samples.
