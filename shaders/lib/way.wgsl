// Slices turned and mirrored; see src/kernels/way.rs.

// Line and column in the slice of ny × nx pixels of what stands at line v and column u of the turned one.
fn source_of(way: u32, ny: u32, nx: u32, v: u32, u: u32) -> vec2u {
    let place = select(vec2u(v, u), vec2u(u, v), (way & 4u) != 0u);
    return select(place, vec2u(ny, nx) - 1u - place, vec2<bool>((way & 1u) != 0u, (way & 2u) != 0u));
}

// The other way round: where in the turned slice line y and column x of the slice stand.
fn turned_place(way: u32, ny: u32, nx: u32, y: u32, x: u32) -> vec2u {
    let place = select(vec2u(y, x), vec2u(ny, nx) - 1u - vec2u(y, x), vec2<bool>((way & 1u) != 0u, (way & 2u) != 0u));
    return select(place, place.yx, (way & 4u) != 0u);
}
