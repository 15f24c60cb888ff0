/// Rows of a `scale_shift_table`: how a branch of a block is shifted, scaled and gated.
package struct Modulation {
    private let table: Parameter  // [rows, C]
    private let first: Int

    /// Rows `first`, `first + 1` and `first + 2` are shift, scale and gate (the end of the decoder
    /// has no gate).
    package init(_ table: Parameter, from first: Int) {
        self.table = table
        self.first = first
    }

    package var shift: UnsafePointer<Float> { table.row(first) }
    package var scale: UnsafePointer<Float> { table.row(first + 1) }
    package var gate: UnsafePointer<Float> { table.row(first + 2) }
}
