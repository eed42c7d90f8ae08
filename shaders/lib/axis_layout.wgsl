// How the complex numbers along one axis stand in a buffer of f32; see src/kernels/axis_layout.rs.

struct AxisLayout {
    length: u32,
    stride: u32,
    imaginary: u32,
    columns: u32,
    rows: u32,
    row_stride: u32,
    images: u32,
    image_stride: u32,
    first: u32,
    turn: u32,
    spare: vec2<u32>,
}

// Column, row and image of a transform, and which of its `count` tasks an invocation does.
struct Task {
    column: u32,
    row: u32,
    image: u32,
    index: u32,
}

fn task_of(layout: AxisLayout, count: u32, invocation: u32) -> Task {
    var rest = invocation / layout.columns;
    let column = invocation % layout.columns;
    let index = rest % count;
    rest /= count;
    return Task(column, rest % layout.rows, rest / layout.rows, index);
}

// Where number 0 of a transform would stand without a turn.
fn base_of(layout: AxisLayout, task: Task) -> u32 {
    return layout.first + task.image * layout.image_stride + task.row * layout.row_stride + task.column;
}

// How far from there number j stands.
fn offset_of(layout: AxisLayout, j: u32) -> u32 {
    var turned = j + layout.turn;
    if turned >= layout.length {
        turned -= layout.length;
    }
    return turned * layout.stride;
}
