import Testing
import VidTwinTraining

/// The least weights within bounds.
@Suite struct `Least norm` {
    @Test func `bounds hold, and nothing shorter meets them`() {
        var fit = LeastNorm()
        fit.add([1, 1, 0], near: 2, off: 0)
        fit.add([0, 1, 1], -.infinity, -1)
        fit.add([0, 0, 1], -10, 10)
        let found = fit.solved(turns: 10_000, tolerance: 1e-12)
        #expect(abs(found[0] + found[1] - 2) < 1e-6)
        #expect(found[1] + found[2] < -1 + 1e-6)
        // Both rows bind: what they give is in their span, so that no other point has a lesser norm.
        let expected = [5.0 / 3, 1.0 / 3, -4.0 / 3]
        for (one, other) in zip(found, expected) { #expect(abs(one - other) < 1e-6) }
    }

    @Test func `bounds that hold by themselves cost nothing`() {
        var fit = LeastNorm()
        fit.add([3, 4], -1, .infinity)
        #expect(fit.solved() == [0, 0])
    }
}
