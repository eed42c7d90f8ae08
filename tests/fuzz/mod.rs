//! How property tests draw their cases: the same ones on every run, so that a failure is one of the change at hand.
//!
//! `PROPTEST_RNG_SEED` (a number) draws others and `PROPTEST_CASES` more: that is how to go looking for new failures.

use proptest::{prelude::ProptestConfig, test_runner::RngSeed};

const SEED: u64 = 20_240_613;

/// `cases` of the fixed seed, unless the environment says otherwise.
pub fn config(cases: u32) -> ProptestConfig {
    // proptest itself reads the environment into its default.
    let default = ProptestConfig::default();
    let given = |name: &str| std::env::var_os(name).is_some();
    ProptestConfig {
        cases: if given("PROPTEST_CASES") { default.cases } else { cases },
        rng_seed: if given("PROPTEST_RNG_SEED") { default.rng_seed } else { RngSeed::Fixed(SEED) },
        failure_persistence: None,
        ..default
    }
}
