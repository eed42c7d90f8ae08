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
    spare: u32,
    more_spare: u32,
}

// Column, row and image of a transform, and which of its `count` tasks an invocation does.
struct Task {
    column: u32,
    row: u32,
    image: u32,
    index: u32,
}

fn task_of(axis: AxisLayout, count: u32, invocation: u32) -> Task {
    var rest = invocation / axis.columns;
    let column = invocation % axis.columns;
    let index = rest % count;
    rest /= count;
    return Task(column, rest % axis.rows, rest / axis.rows, index);
}

// Where number 0 of a transform would stand without a turn.
fn base_of(axis: AxisLayout, task: Task) -> u32 {
    return axis.first + task.image * axis.image_stride + task.row * axis.row_stride + task.column;
}

// How far from there number j stands.
fn offset_of(axis: AxisLayout, j: u32) -> u32 {
    var turned = j + axis.turn;
    if turned >= axis.length {
        turned -= axis.length;
    }
    return turned * axis.stride;
}
