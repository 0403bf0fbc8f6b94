/// Trained parameters of the dense part whose gradients are summed over processes in one call.
struct GradientSegment: Equatable {
    /// The lowest section that they belong to. A backward pass that has finished it adds nothing to their gradients any more.
    let section: Int
    let ranges: [Range<Int>]

    /// Number of floats: 1 MB. A network that moves 10 Gbit/s takes about a millisecond for them; the delays of smaller messages would weigh
    /// more than an earlier beginning gains.
    static let smallest = 1 << 18

    var count: Int { ranges.reduce(0) { $0 + $1.count } }
}

extension Network {
    /// All trained parameters of the dense part, cut between sections, in the order in which a backward pass finishes them.
    /// - Parameter smallest: number of floats below which neighbours share a segment. The last segment may be smaller.
    func gradientSegments(smallest: Int = GradientSegment.smallest) -> [GradientSegment] {
        var segments: [GradientSegment] = []
        var highest = layers.count
        for section in (Activations.embeddings...layers.count).reversed() {
            let segment = GradientSegment(
                section: section,
                ranges: layout.ranges {
                    $0.kind != .words && trained.includes($0)
                        && (section...highest).contains(lastSection(addingTo: $0.part))
                })
            guard segment.count >= (section == Activations.embeddings ? 1 : max(1, smallest)) else { continue }
            segments.append(segment)
            highest = section - 1
        }
        return segments
    }

    /// The section that adds to the gradients of a part last in a backward pass.
    private func lastSection(addingTo part: ParameterLayout.Part) -> Int {
        switch part {
        case .last: layers.count
        case .layer(let layer): layer
        case .allLayers, .embeddings: Activations.embeddings
        }
    }
}
