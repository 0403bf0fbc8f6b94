/// What is done with a text that is longer than a black box takes. A text that is cut is always reported.
public enum OverflowPolicy: String, Sendable, Codable, Hashable, CaseIterable {
    /// It has no vector, and the call says so.
    case error
    /// Only its beginning is embedded.
    case truncate
    /// It is cut into pieces; its vector is the mean of theirs, weighted by length.
    case splitMean = "split-mean"
}
