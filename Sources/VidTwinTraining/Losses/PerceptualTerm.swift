import VidTwin

/// LPIPS as a loss: a few frames at a time go through the network and back, so that its features,
/// 54 MB a frame, are never there for all.
struct PerceptualTerm {
    private let network: LPIPS

    init(_ network: LPIPS) { self.network = network }

    /// x is what y should be, both `[n, H, W, 3]` in −1…1: the sum of the distances over frames and,
    /// where `upstream` (the gradient of each distance) is given, the gradient by y.
    func callAsFunction(
        _ x: Tensor, _ y: Tensor, upstream: Float?
    ) -> (sum: Double, gradient: Tensor?) {
        let (n, H, W, C) = (x.dim(0), x.dim(1), x.dim(2), x.dim(3))
        let frame = H * W * C
        let gradient = upstream.map { _ in Tensor(y.shape, on: y.device) }
        var sum = 0.0
        // A frame for each thread; frames do not know of each other, so their number changes nothing.
        let group = min(max(x.device.threads, 1), n)
        for first in stride(from: 0, to: n, by: group) {
            let count = min(group, n - first)
            func part(_ all: Tensor) -> Tensor {
                let some = Tensor([count, H, W, C], on: all.device)
                some.withPointer { to in
                    all.withPointer { to.update(from: $0 + first * frame, count: count * frame) }
                }
                return some
            }
            let target = network.features(part(x))
            let tape = Tape(trainsParameters: false)
            let some = upstream == nil ? part(y) : tape.watch(part(y))
            let distances = network.distances(target, network.features(some))
            for tap in distances { for value in tap.values { sum += Double(value) } }
            guard let upstream, let gradient else { continue }
            let ones = Tensor([count], [Float](repeating: upstream, count: count), on: x.device)
            tape.backward(distances.map { ($0, ones) })
            guard let some = tape.gradient(of: some) else { continue }
            gradient.withPointer { to in
                some.withPointer { (to + first * frame).update(from: $0, count: count * frame) }
            }
        }
        return (sum, gradient)
    }
}
