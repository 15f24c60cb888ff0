import Glibc

/// How a picture of any size is covered by tiles of the model's size, which overlap and are blended
/// with a smooth window.
public struct Tiling: Sendable {
    /// One axis: where tiles begin, and how much each counts at each of its pixels.
    struct Axis: Sendable {
        let length: Int
        let tile: Int
        let starts: [Int]
        private let overlap: Int

        /// Tiles at even distances, sharing at least `overlap` pixels (less than a tile).
        init(length: Int, tile: Int, overlap: Int) {
            self.length = length
            self.tile = tile
            if length <= tile {
                starts = [0]
            } else {
                let step = max(tile - overlap, 1)
                let count = (length - tile + step - 1) / step + 1
                starts = (0..<count).map { ($0 * (length - tile) + (count - 1) / 2) / (count - 1) }
            }
            self.overlap = overlap
        }

        /// Weights of a tile's pixels: 1 inside, a raised cosine where a neighbour shares them.
        func weights(_ index: Int) -> [Float] {
            var weights = [Float](repeating: 1, count: tile)
            func fade(_ shared: Int, _ place: (Int) -> Int) {
                for i in 0..<min(max(shared, 0), tile) {
                    let x = (Float(i) + 0.5) / Float(shared)
                    weights[place(i)] *= 0.5 - 0.5 * cosf(Float.pi * x)
                }
            }
            if index > 0 { fade(starts[index - 1] + tile - starts[index]) { $0 } }
            if index + 1 < starts.count {
                fade(starts[index] + tile - starts[index + 1]) { tile - 1 - $0 }
            }
            return weights
        }
    }

    let columns: Axis
    let rows: Axis

    /// Pixels of the picture.
    public var width: Int { columns.length }
    /// Rows of the picture.
    public var height: Int { rows.length }
    /// Tiles of a picture.
    public var count: Int { columns.starts.count * rows.starts.count }

    /// Covers pictures of this size with tiles that share at least `overlap` pixels.
    public init(width: Int, height: Int, tileWidth: Int, tileHeight: Int, overlap: Int) {
        let shared = max(overlap, 0)
        columns = Axis(length: width, tile: tileWidth, overlap: min(shared, tileWidth - 1))
        rows = Axis(length: height, tile: tileHeight, overlap: min(shared, tileHeight - 1))
    }

    /// Reconstructs each tile with `reconstruct` (`[1, T, tile, tile, 3] -> ` the same shape) and
    /// blends: pictures of the tiling's size `-> [1, T, height, width, 3]`.
    func map(
        _ pictures: [Picture], on device: Device, _ reconstruct: ([Picture]) throws -> Tensor
    ) rethrows -> Tensor {
        let T = pictures.count
        let sum = Tensor([1, T, height, width, 3], on: device)
        var total = [Float](repeating: 0, count: height * width)
        sum.withPointer { $0.update(repeating: 0, count: sum.count) }
        for (row, top) in rows.starts.enumerated() {
            let vertical = rows.weights(row)
            for (column, left) in columns.starts.enumerated() {
                let horizontal = columns.weights(column)
                let tile = try reconstruct(
                    pictures.map {
                        $0.tile(left: left, top: top, width: columns.tile, height: rows.tile)
                    })
                let (h, w) = (min(rows.tile, height), min(columns.tile, width))
                for y in 0..<h {
                    for x in 0..<w {
                        total[(top + y) * width + left + x] += vertical[y] * horizontal[x]
                    }
                }
                device.parallel(T) { t, _ in
                    for y in 0..<h {
                        let source = tile.pointer + (t * rows.tile + y) * columns.tile * 3
                        let target = sum.pointer + ((t * height + top + y) * width + left) * 3
                        for x in 0..<w {
                            let weight = vertical[y] * horizontal[x]
                            for c in 0..<3 { target[x * 3 + c] += weight * source[x * 3 + c] }
                        }
                    }
                }
            }
        }
        device.parallel(T) { t, _ in
            let frame = sum.pointer + t * height * width * 3
            for i in 0..<height * width {
                for c in 0..<3 { frame[i * 3 + c] /= total[i] }
            }
        }
        return sum
    }
}

extension Picture {
    /// A part of the picture; beyond its edges, the edge is repeated.
    func tile(left: Int, top: Int, width: Int, height: Int) -> Picture {
        let pixel = 3 * depth.byteCount
        let inside = min(width, self.width - left)
        var out: [UInt8] = []
        out.reserveCapacity(width * height * pixel)
        for y in 0..<height {
            let row = min(top + y, self.height - 1) * self.width
            let start = (row + left) * pixel
            out += bytes[start..<start + inside * pixel]
            let edge = bytes[start + (inside - 1) * pixel..<start + inside * pixel]
            for _ in inside..<max(width, inside) { out += edge }
        }
        return Picture(width: width, height: height, depth: depth, bytes: out)
    }
}
