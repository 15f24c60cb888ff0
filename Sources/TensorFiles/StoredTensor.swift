/// A tensor of PyTorch's: a strided view of a storage. Offsets and strides are in elements.
struct StoredTensor: Sendable {
    let info: TensorInfo
    let strides: [Int]
    let offset: Int
    let storage: ZipArchive.Entry
}

extension Elements {
    /// Row-major order out of any strides.
    func copy(_ tensor: StoredTensor, into destination: UnsafeMutablePointer<Float>) {
        let shape = tensor.info.shape
        var inner = 1  // elements that lie in order, from the last axis up
        var axes = shape.count
        while axes > 0, tensor.strides[axes - 1] == inner || shape[axes - 1] == 1 {
            inner *= shape[axes - 1]
            axes -= 1
        }
        var index = [Int](repeating: 0, count: axes)
        let outer = shape.prefix(axes).reduce(1, *)
        for row in 0..<outer {
            let start = Swift.zip(index, tensor.strides).reduce(tensor.offset) { $0 + $1.0 * $1.1 }
            convert(from: start, count: inner, into: destination + row * inner)
            var axis = axes - 1
            while axis >= 0 {
                index[axis] += 1
                if index[axis] < shape[axis] { break }
                index[axis] = 0
                axis -= 1
            }
        }
    }
}
