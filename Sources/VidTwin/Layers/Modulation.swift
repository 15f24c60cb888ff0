/// Rows of a `scale_shift_table`: how a branch of a block is shifted, scaled and gated.
package struct Modulation {
    /// `LN(x) · (1 + scale) + shift`, each `[C]`.
    package let shift, scale: Parameter.Row
    private let table: Parameter  // [rows, C]
    private let first: Int

    /// Rows `first`, `first + 1` and `first + 2` are shift, scale and gate (the end of the decoder
    /// has no gate).
    package init(_ table: Parameter, from first: Int) {
        self.table = table
        self.first = first
        (shift, scale) = (table.row(first), table.row(first + 1))
    }

    /// `x + gate · branch`, `[C]`.
    package var gate: Parameter.Row { table.row(first + 2) }
}
