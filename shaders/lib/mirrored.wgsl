// Images that go on as their own mirror image; see `mirrored` in src/kernels/average_alike.rs.

// The place within 0..extent that `place` mirrors.
fn mirrored(place: i32, extent: u32) -> u32 {
    if extent == 1u {
        return 0u;
    }
    let period = 2 * (i32(extent) - 1);
    let within = ((place % period) + period) % period;
    return u32(min(within, period - within));
}
