import TensorFiles

/// Words and reports for standard output; whoever reads it, or a full disk, is not passed over.
enum StandardOutput {
    /// Writes lines. Foreign text in them is `visible` already.
    ///
    /// - Throws: `StreamError`.
    static func print(_ text: String) throws {
        try Descriptor(1, place: "standard output").write(Array((text.visibleLines + "\n").utf8))
    }
}
