extension Duration {
    /// The duration in seconds.
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }

    /// The duration as text for people: `42s`, `3m05s`, `10m`, `1h02m`, `2h`.
    package var shortText: String {
        let total = Int(inSeconds.rounded())
        func part(_ number: Int, _ unit: String) -> String {
            number == 0 ? "" : (number < 10 ? "0\(number)" : "\(number)") + unit
        }
        if total < 60 { return "\(total)s" }
        if total < 3600 { return "\(total / 60)m" + part(total % 60, "s") }
        return "\(total / 3600)h" + part(total / 60 % 60, "m")
    }
}

/// Seconds from `start` to now, by a monotonic clock.
package func seconds(since start: ContinuousClock.Instant) -> Double { (ContinuousClock.now - start).inSeconds }
