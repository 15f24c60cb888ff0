import Glibc

/// The fixed tables of positions in float64, as checkpoints hold them (reference:
/// vidtwin/modules/st_transformer.py @d6ad92d, `get_2d_sincos_pos_embed`).
enum PositionTable {
    /// `[positions, width]`: sines of a half, then cosines.
    private static func sineAndCosine(_ width: Int, _ positions: [Double]) -> [[Double]] {
        let half = width / 2
        return positions.map { position in
            let angles = (0..<half).map {
                position / pow(10000, Double($0) / (Double(width) / 2))
            }
            return angles.map(sin) + angles.map(cos)
        }
    }

    /// `[1, T, C]`
    static func time(_ width: Int, frames: Int) -> [Double] {
        sineAndCosine(width, (0..<frames).map(Double.init)).flatMap { $0 }
    }

    /// `[1, S, C]`: the first half of the channels encodes the column, the second the row.
    static func space(_ width: Int, rows: Int, columns: Int) -> [Double] {
        let byColumn = sineAndCosine(width / 2, (0..<columns).map(Double.init))
        let byRow = sineAndCosine(width / 2, (0..<rows).map(Double.init))
        return (0..<rows * columns).flatMap { byColumn[$0 % columns] + byRow[$0 / columns] }
    }
}
