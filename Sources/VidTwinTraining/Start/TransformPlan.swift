import VidTwin

/// What a constructed start puts where: coefficients of the patches' basis in the latents, and channels
/// of the tokens that carry them.
///
/// The structure latent has the mean picture: the first `count` coefficients of each place, as many as it
/// has numbers there. The dynamics latents have how the first `2 * strong` of them leave their means, at
/// `knots` moments of a clip: a coefficient and a knot is a frame of the latent (its `slots`), and the
/// channels are the rows of the map (along columns) or its columns (along rows). Along columns go the
/// `strong` first coefficients, along rows the next ones.
struct TransformPlan {
    /// Moments at which a coefficient's way is told.
    static let knots = 4

    /// Whether the decoder has a block to close the steps between patches with.
    let closesSteps: Bool
    /// Coefficients of the mean picture.
    let count: Int
    /// Coefficients of each of the two maps of dynamics.
    let strong: Int
    /// The longer of the grid's sides: channels of a map.
    let side: Int

    var moving: Int { 2 * strong }
    /// Channels of the maps along columns and along rows in the decoder's tokens; the last one of the
    /// rows has the diagonal.
    var carried: Int { 2 * side + 1 }

    init(_ c: Configuration) {
        closesSteps = c.decoder.depth > 1
        count = c.qformer.queries * c.structureChannels
        strong = c.encoder.grid.time / TransformPlan.knots
        side = max(c.encoder.grid.rows, c.encoder.grid.columns)
        let (Q, d) = (c.qformer.queries, c.structureChannels)
        var next = 0
        carriers = (0..<Q * d).map { place in
            if place % d == place / d % d { return Q * (d - 1) + place / d }
            next += 1
            return next - 1
        }
    }

    /// Which coefficient each number of a place carries, `[queries · channels]`: where a query has its tag,
    /// which costs digits, one of the weakest.
    let carriers: [Int]

    /// Whether a frame of the latents is one of a coefficient's knots.
    func isSlot(_ t: Int, of j: Int) -> Bool { t / TransformPlan.knots == j }
}

/// Channels of an encoder's tokens.
struct EncoderChannels {
    /// How coefficients leave their means at a frame's knot, and a channel that holds as little as theirs
    /// do beside that; coefficients; which coefficient a frame's knots are of; the maps by row, the
    /// diagonal last; constants.
    let deviations: [Int]
    let zero: Int
    let content, turns, maps, constants: [Int]
    /// What only tables are in; all without content and constants before the first block, and all
    /// without content after its attention.
    let rest, calm, quiet: [Int]

    init(_ plan: TransformPlan, order: [Int], constants count: Int) {
        var left = order[...]
        func take(_ n: Int) -> [Int] {
            defer { left = left.dropFirst(n) }
            return Array(left.prefix(n))
        }
        deviations = take(plan.moving)
        zero = take(1)[0]
        content = take(plan.count)
        turns = take(plan.strong)
        maps = take(plan.side + 1)
        constants = take(count)
        rest = Array(left)
        calm = deviations + [zero] + turns + maps + rest
        quiet = maps + constants + rest
    }

    static func needed(_ plan: TransformPlan, constants: Int) -> Int {
        plan.count + plan.moving + 1 + plan.strong + plan.side + 1 + constants
            + TransformStart.Scale.labels
    }
}

/// Channels of a decoder's tokens.
struct DecoderChannels {
    /// Maps of dynamics at a frame's moment, by coefficient, and a channel that holds as little as theirs
    /// do beside that; numbers of the structure latent; whether there is a structure and whether there
    /// are dynamics; maps of dynamics along columns and along rows as they come; what they come to at the
    /// own place; constants.
    let moments: [[Int]]
    let zero: Int
    let slots, presence, alongColumns, alongRows, out, constants: [Int]
    /// All without content and constants before the first block, and all without content at its MLP.
    let calm, quiet: [Int]
    /// Constants and what only tables are in, in all blocks.
    let labels: [Int]

    init(_ plan: TransformPlan, order: [Int], constants count: Int) {
        var left = order[...]
        func take(_ n: Int) -> [Int] {
            defer { left = left.dropFirst(n) }
            return Array(left.prefix(n))
        }
        presence = take(2)
        alongColumns = take(plan.side)
        alongRows = take(plan.side + 1)
        moments = (0..<plan.strong).map { _ in take(plan.carried) }
        zero = take(1)[0]
        slots = take(plan.count)
        out = take(plan.moving)
        constants = take(count)
        quiet = out + constants + left
        labels = constants + left
        calm = moments.flatMap { $0 } + [zero] + out + left
    }

    /// Those whose tables must be steady.
    static func steady(_ plan: TransformPlan) -> Int {
        2 + plan.side + plan.side + 1 + plan.carried * plan.strong + 1
    }

    static func needed(_ plan: TransformPlan, constants: Int) -> Int {
        plan.count + 3 + plan.carried * (1 + plan.strong) + plan.moving + constants
            + TransformStart.Scale.labels
    }
}
