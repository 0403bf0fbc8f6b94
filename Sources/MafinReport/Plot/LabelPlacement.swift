enum LabelPlacement {
    /// Positions at least `gap` apart and inside `range`, in the order of `wanted`, as near to the wanted positions as possible
    /// (least squares).
    ///
    /// With `q_i = r_i + i · gap` the condition on the gaps says that `r` never decreases. So the best `r` is the isotonic regression of
    /// `wanted_i − i · gap`, found by pooling adjacent violators. If the range is too short for all gaps, they shrink.
    static func spread(_ wanted: [Double], gap: Double, in range: ClosedRange<Double>) -> [Double] {
        guard !wanted.isEmpty else { return [] }
        let span = range.upperBound - range.lowerBound
        let gap = wanted.count > 1 ? min(gap, span / Double(wanted.count - 1)) : gap
        let order = wanted.indices.sorted { (wanted[$0], $0) < (wanted[$1], $1) }
        var pools: [(sum: Double, count: Int)] = []
        for (place, index) in order.enumerated() {
            pools.append((wanted[index] - Double(place) * gap, 1))
            while pools.count > 1 {
                let (last, previous) = (pools[pools.count - 1], pools[pools.count - 2])
                guard previous.sum / Double(previous.count) > last.sum / Double(last.count) else { break }
                pools.removeLast(2)
                pools.append((previous.sum + last.sum, previous.count + last.count))
            }
        }
        let low = range.lowerBound
        let high = range.upperBound - Double(wanted.count - 1) * gap
        var places = [Double](repeating: 0, count: wanted.count)
        var place = 0
        for pool in pools {
            // Clamping a monotone sequence keeps it monotone.
            let value = min(max(pool.sum / Double(pool.count), low), max(low, high))
            for _ in 0..<pool.count {
                places[order[place]] = value + Double(place) * gap
                place += 1
            }
        }
        return places
    }
}
