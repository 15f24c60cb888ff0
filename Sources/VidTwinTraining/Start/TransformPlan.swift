import VidTwin

/// Which query carries what in a constructed start: groups of d neighbouring coefficients of the
/// patches' basis, the strongest at more moments of the clip than the weak ones.
struct TransformPlan {
    /// What a query carries: the coefficients `first ..< first + d`, at one of `knots` moments.
    struct Carrier {
        let first: Int
        let knots: Int
        let knot: Int
    }

    let carriers: [Carrier]
    /// Coefficients that vary over time within a clip's latent: the first ones.
    let moving: Int
    /// All coefficients.
    let count: Int

    /// A sixteenth of the queries' groups at four moments, an eighth at two, the others once a clip:
    /// of the shares that were tried for 16 queries, the best on held-back clips.
    init(queries: Int, channels d: Int) {
        let (fours, twos) = (queries / 16, queries / 8)
        var carriers: [Carrier] = []
        for (groups, knots) in [
            (0..<fours, 4), (fours..<fours + twos, 2),
            (fours + twos..<queries - 3 * fours - twos, 1),
        ] {
            for knot in 0..<knots {
                for group in groups {
                    carriers.append(Carrier(first: group * d, knots: knots, knot: knot))
                }
            }
        }
        self.carriers = carriers
        moving = (fours + twos) * d
        count = (queries - 3 * fours - twos) * d
    }

    /// Weights of `knots` moments at each of T frames: linear between neighbours, constant outside, so
    /// that they add up to 1: `[T][knots]`.
    static func hats(_ knots: Int, frames T: Int) -> [[Double]] {
        let width = Double(T) / Double(knots)
        return (0..<T).map { t in
            let place = min(max((Double(t) - (width / 2 - 0.5)) / width, 0), Double(knots - 1))
            return (0..<knots).map { max(1 - abs(place - Double($0)), 0) }
        }
    }
}
