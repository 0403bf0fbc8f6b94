/// The largest |a − b| of two sequences of the same length; NaN where one value is NaN and the other is not.
public func largestDifference<A: Collection, B: Collection>(_ a: A, _ b: B) -> Double
where A.Element: BinaryFloatingPoint, B.Element: BinaryFloatingPoint {
    precondition(a.count == b.count, "\(a.count) values against \(b.count)")
    var largest = 0.0
    for (x, y) in zip(a, b) {
        let (x, y) = (Double(x), Double(y))
        if x.isNaN && y.isNaN { continue }
        let difference = x == y ? 0 : abs(x - y)
        // A comparison with NaN is false: NaN must not pass for small.
        if !(difference <= largest) { largest = difference }
        if largest.isNaN { return largest }
    }
    return largest
}

/// ‖a − b‖ / ‖b‖.
public func relativeDifference<A: Collection, B: Collection>(_ a: A, from b: B) -> Double
where A.Element: BinaryFloatingPoint, B.Element: BinaryFloatingPoint {
    precondition(a.count == b.count, "\(a.count) values against \(b.count)")
    var (difference, norm) = (0.0, 0.0)
    for (x, y) in zip(a, b) {
        difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
        norm += Double(y) * Double(y)
    }
    return (difference / norm).squareRoot()
}

/// How many elements differ in any bit. (Failed comparisons of whole arrays print all of both.)
public func differingElements<A: Collection<Float>, B: Collection<Float>>(_ a: A, _ b: B) -> Int {
    precondition(a.count == b.count, "\(a.count) values against \(b.count)")
    var count = 0
    for (x, y) in zip(a, b) where x.bitPattern != y.bitPattern { count += 1 }
    return count
}
