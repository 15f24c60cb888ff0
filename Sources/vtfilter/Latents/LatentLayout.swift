import VidTwin

/// How latents are laid out in a stream.
enum LatentLayout: String, CaseIterable {
    /// `structure [Q, h, w, d]`, `dynamics_x [d, T, w]`, `dynamics_y [d, T, h]`
    case vidtwin
    /// `structure` as above; `dynamics`, one vector: frame by frame, position by position, x's
    /// channels, then y's. Of square grids only, where a position is a column and a row.
    case cowvla

    /// What a sample's JSON says.
    var tag: String { self == .cowvla ? "cowvla-2" : rawValue }

    /// What it said when the vector was x, then y, each frame by frame, position by position, channel
    /// by channel. Such samples are read, not written.
    static let tagOfParts = "cowvla"

    /// - Throws: `UsageError` where a model has no such layout.
    func check(_ configuration: Configuration) throws {
        let grid = configuration.dynamicsGrid
        if self == .cowvla, grid.rows != grid.columns {
            throw UsageError(
                "--layout cowvla: expected dynamics of as many rows as columns, which share a "
                    + "position; this model has \(grid.rows) rows and \(grid.columns) columns")
        }
    }
}
