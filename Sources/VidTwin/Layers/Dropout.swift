/// What the Q-Former drops while it is trained: elements by a mask of a counter, a site and a clip, so
/// that any division of a batch drops the same (reference: vidtwin/modules/qformer.py @d6ad92d).
package struct Dropout {
    /// Probabilities of dropping: of features, of attention's probabilities.
    package let hidden, attention: Double
    /// Writes 0 or 1 / (1 − p) for each of `count` elements of a clip (counted from the first of this
    /// batch) at a site.
    package let multipliers:
        (_ p: Double, _ site: UInt32, _ clip: Int, UnsafeMutableBufferPointer<Float>) -> Void
    /// Clips that are computed together.
    package let clips: Int

    package init(
        hidden: Double, attention: Double, clips: Int,
        multipliers:
            @escaping (
                _ p: Double, _ site: UInt32, _ clip: Int, UnsafeMutableBufferPointer<Float>
            ) -> Void
    ) {
        (self.hidden, self.attention) = (hidden, attention)
        (self.clips, self.multipliers) = (clips, multipliers)
    }

    /// After the first norm of the queries.
    package static let inputSite: UInt32 = 16

    /// Places within a layer, and their distance from the layer's first site.
    package enum Place: UInt32 {
        case selfProbabilities = 0
        case selfOutput, crossProbabilities, crossOutput, output
    }

    /// Dropout within one layer.
    package struct Layer {
        fileprivate let dropout: Dropout
        fileprivate let first: UInt32

        /// Multipliers of this shape, positions of the first clip first; nil where nothing is dropped.
        package func mask(_ shape: [Int], _ place: Place, on other: Tensor) -> Tensor? {
            let isAttention = place == .selfProbabilities || place == .crossProbabilities
            return dropout.mask(
                shape, isAttention ? dropout.attention : dropout.hidden, first + place.rawValue,
                on: other)
        }
    }

    /// The layer of this number.
    package func layer(_ index: Int) -> Layer {
        Layer(dropout: self, first: 32 + 8 * UInt32(index))
    }

    fileprivate func mask(
        _ shape: [Int], _ p: Double, _ site: UInt32, on other: Tensor
    ) -> Tensor? {
        if p == 0 { return nil }
        let mask = Tensor(shape, on: other.device)
        let count = mask.count / clips
        other.device.parallel(clips) { clip, _ in
            multipliers(
                p, site, clip,
                UnsafeMutableBufferPointer(start: mask.pointer + clip * count, count: count))
        }
        return mask
    }
}

/// x, some of its elements dropped: at the entrance of the Q-Former,
package func dropped(_ x: Tensor, _ dropout: Dropout?, _ site: UInt32) -> Tensor {
    guard let mask = dropout.flatMap({ $0.mask(x.shape, $0.hidden, site, on: x) }) else { return x }
    return scaled(x, by: mask)
}

/// or within a layer.
package func dropped(_ x: Tensor, _ dropout: Dropout.Layer?, _ place: Dropout.Place) -> Tensor {
    guard let mask = dropout?.mask(x.shape, place, on: x) else { return x }
    return scaled(x, by: mask)
}
