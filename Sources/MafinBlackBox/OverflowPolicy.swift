/// What is done with a text that is longer than a black box takes. A text that is cut is always reported.
public enum OverflowPolicy: String, Sendable, Codable, Hashable, CaseIterable {
    /// It gets no vector, and the call throws an error.
    case error
    /// Only its beginning is embedded.
    case truncate
    /// It is cut into pieces; its vector is the mean of theirs, weighted by length.
    case splitMean = "split-mean"
}
