extension StringProtocol {
    /// What a client sent, as answers and the log show it: 100 Unicode scalars at most.
    var clipped: String { clipped(to: 100) }

    /// At most `count` Unicode scalars, with an ellipsis if something is left out. Characters are not counted, because one may be very long.
    func clipped(to count: Int) -> String {
        let scalars = unicodeScalars
        guard let end = scalars.index(scalars.startIndex, offsetBy: count, limitedBy: scalars.endIndex),
            end < scalars.endIndex
        else { return String(self) }
        var beginning = String.UnicodeScalarView()
        beginning.append(contentsOf: scalars[..<end])
        return String(beginning) + "…"
    }
}
