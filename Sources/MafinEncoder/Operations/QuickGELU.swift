import CMafinKernels

/// x · σ(1.702 x): CLIP's approximation of GELU (Hendrycks and Gimpel 2016, section 2).
struct QuickGELU: Operation {
    let width: Int
    /// The slot of the input. The bias is added to it, and in the backward pass the gradient overwrites it.
    let slot: Int
    /// The bias of the linear layer before it.
    let inputBias: Int

    var sharing: Sharing { .columnsWithInput(count: width, grain: PackedWeights.columnTile) { [$0] } }

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        let h = frame.kept(slot) + rows.lowerBound * width
        let g = frame.row(rows.lowerBound, of: .wideBlock, width: width)
        let bias = frame.parameters + inputBias
        frame.clock.time(.activation, floats: 3 * rows.count * width) {
            guard let columns else { return mafin_quick_gelu(rows.count, width, h, bias, g) }
            for columns in columns {
                for row in 0..<rows.count {
                    let start = row * width + columns.lowerBound
                    mafin_quick_gelu(1, columns.count, h + start, bias + columns.lowerBound, g + start)
                }
            }
        }
    }

    func backward(_ rows: Range<Int>, _ frame: Frame) {
        frame.clock.time(.activationBackward, floats: 4 * rows.count * width) {
            mafin_quick_gelu_backward(
                rows.count * width, frame.row(rows.lowerBound, of: .wideBlock, width: width),
                frame.kept(slot) + rows.lowerBound * width, frame.row(rows.lowerBound, of: .activated, width: width))
        }
    }
}
