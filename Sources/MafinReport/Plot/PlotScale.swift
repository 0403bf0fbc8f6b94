import Foundation

/// Maps values to positions along an axis.
public struct PlotScale: Sendable, Equatable {
    /// How values are spread.
    public enum Kind: Sendable, Equatable {
        /// Equal differences take equal room.
        case linear
        /// Equal ratios take equal room; for values above zero.
        case logarithmic
    }

    /// The smallest and the largest value of the axis.
    public let domain: ClosedRange<Double>
    /// How values are spread.
    public let kind: Kind

    /// A scale over exactly `domain`. A domain of one point is widened, so that the point is in its middle.
    public init(_ domain: ClosedRange<Double>, _ kind: Kind = .linear) {
        precondition(domain.lowerBound.isFinite && domain.upperBound.isFinite, "an axis over \(domain)")
        precondition(kind == .linear || domain.lowerBound > 0, "a logarithmic axis from \(domain.lowerBound)")
        self.kind = kind
        if domain.lowerBound < domain.upperBound {
            self.domain = domain
        } else if kind == .logarithmic {
            self.domain = domain.lowerBound / 2...domain.lowerBound * 2
        } else {
            let room = domain.lowerBound == 0 ? 0.5 : abs(domain.lowerBound) / 10
            self.domain = domain.lowerBound - room...domain.lowerBound + room
        }
    }

    /// A scale that holds all finite `values` (for a logarithmic one, all above zero), with some room on both sides.
    /// - Parameters:
    ///   - landmarks: further values that the axis must include. They get no margin: if 0 is the end of the axis, the axis ends at 0.
    ///   - margin: room on either side, as a share of the span.
    public init(
        covering values: some Sequence<Double>, _ kind: Kind = .linear, landmarks: [Double] = [], margin: Double = 0.05
    ) {
        let usable = values.filter { $0.isFinite && (kind == .linear || $0 > 0) }
        var low = usable.min() ?? landmarks.min() ?? (kind == .linear ? 0 : 1)
        var high = usable.max() ?? landmarks.max() ?? 1
        if usable.isEmpty {
            // Without a span there is no margin.
        } else if kind == .linear {
            let room = (high - low) * margin
            (low, high) = (low - room, high + room)
        } else {
            let room = pow(high / low, margin)
            (low, high) = (low / room, high * room)
        }
        for landmark in landmarks {
            // A margin that reaches past a landmark stops there: an axis of counts starts at 0, not at −3.
            if landmark <= (usable.min() ?? landmark) { low = min(landmark, max(low, landmark)) }
            if landmark >= (usable.max() ?? landmark) { high = max(landmark, min(high, landmark)) }
        }
        self.init(low...max(low, high), kind)
    }

    /// The position of a value: 0 at the axis' start, 1 at its end, below 0 or above 1 for values outside.
    public func fraction(_ value: Double) -> Double {
        switch kind {
        case .linear: (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound)
        case .logarithmic: log(value / domain.lowerBound) / log(domain.upperBound / domain.lowerBound)
        }
    }

    /// About `count` round values inside the domain.
    public func ticks(count: Int) -> [Double] {
        switch kind {
        case .linear: NiceTicks.ticks(in: domain, count: count)
        case .logarithmic: NiceTicks.logarithmicTicks(in: domain, count: count)
        }
    }
}
