import CMafinKernels

/// GELU in its exact form, by erf (Hendrycks and Gimpel 2016).
struct GELU: Operation {
    let width: Int
    /// The slot of the input. The bias is added to it, and in the backward pass the gradient overwrites it.
    let slot: Int
    /// The bias of the linear layer before it; `nil`: it has none.
    let inputBias: Int?

    var sharing: Sharing { .columnsWithInput(count: width, grain: PackedWeights.columnTile) { [$0] } }

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        // The linear layer has done it.
        if frame.fusesActivations { return }
        let h = frame.kept(slot) + rows.lowerBound * width
        let g = frame.row(rows.lowerBound, of: .wideBlock, width: width)
        let bias = inputBias.map { frame.parameters + $0 }
        func run(_ rows: Int, _ count: Int, from start: Int, column: Int) {
            if let bias {
                mafin_bias_gelu(rows, count, h + start, bias + column, g + start)
            } else {
                mafin_gelu(rows * count, h + start, g + start)
            }
        }
        frame.clock.time(.activation, floats: 3 * rows.count * width) {
            guard let columns else { return run(rows.count, width, from: 0, column: 0) }
            for columns in columns {
                for row in 0..<rows.count {
                    run(1, columns.count, from: row * width + columns.lowerBound, column: columns.lowerBound)
                }
            }
        }
    }

    func backward(_ rows: Range<Int>, _ frame: Frame) {
        frame.clock.time(.activationBackward, floats: 4 * rows.count * width) {
            mafin_gelu_backward(
                rows.count * width, frame.row(rows.lowerBound, of: .wideBlock, width: width),
                frame.kept(slot) + rows.lowerBound * width, frame.row(rows.lowerBound, of: .activated, width: width))
        }
    }
}

/// act(h) · f, where h and f are the halves of the input: GeGLU and SwiGLU (Shazeer 2020, "GLU Variants Improve Transformer").
struct GatedActivation: Operation {
    enum Function: Sendable { case gelu, silu }

    let function: Function
    /// Width of the output. The input is twice as wide.
    let width: Int
    /// The slot of the input, which the gradient overwrites in the backward pass.
    let slot: Int
    /// Whether the activation is of the first half, and not of the second.
    let activatesFirst: Bool

    var sharing: Sharing {
        let width = width
        return .columnsWithInput(count: width, grain: PackedWeights.columnTile) {
            [$0, $0.lowerBound + width..<$0.upperBound + width]
        }
    }

    private func halves(_ row: Int, _ frame: Frame) -> (
        h: UnsafeMutablePointer<Float>, factor: UnsafeMutablePointer<Float>
    ) {
        let x = frame.kept(slot) + row * 2 * width
        return activatesFirst ? (x, x + width) : (x + width, x)
    }

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        let (h, factor) = halves(rows.lowerBound, frame)
        let g = frame.row(rows.lowerBound, of: .wideBlock, width: width)
        frame.clock.time(.activation, floats: 3 * rows.count * width) {
            for columns in columns ?? [0..<width] {
                let first = columns.lowerBound
                mafin_gated(
                    function == .silu, rows.count, columns.count, h + first, factor + first, 2 * width, g + first, width
                )
            }
        }
    }

    func backward(_ rows: Range<Int>, _ frame: Frame) {
        let (h, factor) = halves(rows.lowerBound, frame)
        frame.clock.time(.activationBackward, floats: 6 * rows.count * width) {
            mafin_gated_backward(
                function == .silu, rows.count, width, frame.row(rows.lowerBound, of: .wideBlock, width: width), h,
                factor,
                2 * width, frame.row(rows.lowerBound, of: .activated, width: width))
        }
    }
}
