import VidTwin

/// What coefficients of a set of clips are, and how they move.
struct StartingSamples {
    /// Means over time, a row a clip and place: `[count]` in deviations of the basis.
    var still: [[Double]] = []
    /// The unit in which a moving coefficient's way from its mean is told, in deviations of the basis.
    var ways: [Double] = []
    /// A way's mean square in that unit.
    var wayPower: [Double] = []
    /// Deviations of the moving coefficients about their means over time.
    var moving: [Double] = []
}

extension TransformStart {
    /// Coefficients over a set of clips.
    func samples(_ clips: [Tensor]) -> StartingSamples {
        let (T, S) = (c.encoder.grid.time, places.count)
        let window = windows.knots(of: 0)
        let shares = (0..<TransformPlan.knots).map { knot in
            window.shares(knot, of: T).map { $0 - 1 / Double(T) }
        }
        var samples = StartingSamples()
        var ways = [[Double]](repeating: [], count: plan.moving)
        var squares = [Double](repeating: 0, count: plan.moving)
        for clip in clips {
            let all = basis.coefficients(TransformStart.patches(clip, c))
            for place in 0..<S {
                samples.still.append(
                    (0..<plan.count).map { k in
                        (0..<T).reduce(0) { $0 + all[k][$1 * S + place] } / Double(T)
                    })
                let means = samples.still[samples.still.count - 1]
                for k in 0..<plan.moving {
                    squares[k] += (0..<T).reduce(0) {
                        let way = all[k][$1 * S + place] - means[k]
                        return $0 + way * way / Double(T)
                    }
                    for share in shares {
                        ways[k].append(
                            (0..<T).reduce(0) { $0 + share[$1] * all[k][$1 * S + place] })
                    }
                }
            }
        }
        let count = Double(samples.still.count)
        samples.moving = squares.map { ($0 / count).squareRoot() }
        for way in ways {
            let sizes = way.map { abs($0) }.sorted()
            let reach = sizes[Int(Scale.wayQuantile * Double(sizes.count - 1))]
            let unit = max(TransformStart.deviation(way), reach / (Scale.open - 2), 1e-6)
            samples.ways.append(unit)
            samples.wayPower.append(
                TransformStart.mean(way.map { $0 * $0 / (unit * unit) }))
        }
        return samples
    }
}
