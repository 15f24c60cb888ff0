import Glibc
import VidTwin

/// Where the heads of a constructed attention over time look.
struct TimeWindows {
    /// A clip's frames.
    let frames: Double
    let rates: TimeRates

    init(_ c: Configuration) {
        frames = Double(c.encoder.grid.time)
        rates = TimeRates(half: c.encoder.width / 2)
    }

    /// The encoder's frame `knots·j + i` looks at the i-th moment of a clip, in head j.
    func knots(of j: Int) -> TimeWindow {
        let knots = Double(TransformPlan.knots)
        let step = frames / knots
        let lag = rates.index(1 / step)
        return TimeWindow(
            waves: rates.waves(0.4 * step, [lag]), lag: lag, at: (frames - 1) / 2,
            from: knots * Double(j) + (knots - 1) / 2, table: rates)
    }

    /// A frame itself.
    var own: TimeWindow {
        let indices = [rates.index(5.44 / frames), max(rates.index(16 / frames), 0)]
        return TimeWindow(
            waves: rates.waves(0.6, indices, first: 8), lag: 0, at: 0, from: 0, table: rates)
    }

    /// The decoder's frame looks at its moment among the knots of coefficient j.
    func moment(of j: Int) -> TimeWindow {
        let knots = Double(TransformPlan.knots)
        let indices = [rates.index(5.3 / frames), max(rates.index(11.2 / frames), 0)]
        return TimeWindow(
            waves: rates.waves(0.55, indices, first: 4),
            lag: rates.index((frames - 1) / (knots - 1)),
            at: knots * Double(j) + (knots - 1) / 2, from: (frames - 1) / 2, table: rates)
    }
}

/// A head of an attention over time: moment t looks where `look(t)` says. Logits are cosines of the
/// distance, which queries and keys hold as sines and cosines of the table's own rates: then a key is one
/// channel, that is one weight, which every narrow form holds.
struct TimeWindow {
    /// Rates by their index in the table, and how high their cosines are.
    let waves: [(index: Int, height: Double)]
    /// How far a look goes a frame, as a rate's index; below 0 where it goes less than a frame.
    let lag: Int
    let at, from: Double
    let table: TimeRates

    func look(_ t: Double) -> Double { at + (t - from) / table.rate(lag) }

    /// What moment t gives to each of T.
    func shares(_ t: Int, of T: Int) -> [Double] {
        let at = look(Double(t))
        let sizes = (0..<T).map { u in
            exp(
                waves.reduce(0) {
                    $0 + $1.height * (cos(table.rate($1.index) * (Double(u) - at)) - 1)
                })
        }
        let sum = sizes.reduce(0, +)
        return sizes.map { $0 / sum }
    }
}

/// Radians a frame that the table of moments has, the highest first.
struct TimeRates {
    /// Half of the channels.
    let half: Int

    func rate(_ index: Int) -> Double { exp(-log(10000) * Double(index) / Double(half)) }

    /// The nearest rate's.
    func index(_ rate: Double) -> Int {
        Int((-log(rate) / log(10000) * Double(half)).rounded())
    }

    /// Channels of a rate: sine and cosine.
    func channels(_ index: Int) -> [Int] { [index, half + index] }

    /// Cosines that together are as narrow as `width`; the first is so high, where there is another.
    func waves(
        _ width: Double, _ indices: [Int], first: Double = 0
    ) -> [(index: Int, height: Double)] {
        let bend = 2 / (width * width)
        let squares = indices.map { rate($0) * rate($0) }
        if indices.count == 1 { return [(indices[0], bend / squares[0])] }
        return [(indices[0], first), (indices[1], (bend - first * squares[0]) / squares[1])]
    }
}
