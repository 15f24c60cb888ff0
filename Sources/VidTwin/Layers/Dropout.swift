import VidTwinKernels

/// What the Q-Former drops while it is trained: elements by a mask of a counter, a site and a clip, so
/// that any division of a batch drops the same (reference: vidtwin/modules/qformer.py @d6ad92d).
package struct Dropout {
    /// Probabilities of dropping: of features, of attention's probabilities.
    package let hidden, attention: Double
    /// Clips that are computed together, and the number of the first one within the batch.
    package let clips, firstClip: Int
    private let random: Philox
    private let batch: UInt32

    package init(
        hidden: Double, attention: Double, clips: Int, firstClip: Int, batch: Int, _ random: Philox
    ) {
        (self.hidden, self.attention) = (hidden, attention)
        (self.clips, self.firstClip) = (clips, firstClip)
        (self.random, self.batch) = (random, UInt32(truncatingIfNeeded: batch))
    }

    /// After the first norm of the queries.
    package static let inputSite = Philox.Site.queries

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
        Layer(dropout: self, first: Philox.Site.layer(index))
    }

    fileprivate func mask(
        _ shape: [Int], _ p: Double, _ site: UInt32, on other: Tensor
    ) -> Tensor? {
        if p == 0 { return nil }
        let mask = Tensor(shape, on: other.device)
        let count = mask.count / clips
        let parts = Partition(rows: count, target: 1 << 15)
        let kept = Float(1 / (1 - p))
        other.device.parallel(clips * parts.tasks) { task, workspace in
            let (clip, part) = (task / parts.tasks, parts[task % parts.tasks])
            let keeps = workspace.memory(.rows, part.count, of: Bool.self)
            random.keeps(
                part, dropping: p, site: site,
                clip: UInt32(truncatingIfNeeded: firstClip + clip), batch: batch, into: keeps)
            let out = mask.pointer + clip * count + part.lowerBound
            for i in 0..<part.count { out[i] = keeps[i] ? kept : 0 }
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
