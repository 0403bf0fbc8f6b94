import CMafinKernels
import Foundation

/// Learned vectors of positions: one for the class token, and a square table for the patches, resized to the grid of the images.
///
/// The table is resized bicubically as PyTorch's `interpolate(mode="bicubic", align_corners=False)` does it: Keys' cubic with a = -0.75
/// (Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing"), and repeated rows beyond the border.
struct ImagePositions: Sendable {
    /// Offset of the table, `(1 + grid², width)`.
    let table: Int
    /// Four rows of the table along one axis, and their weights, for each row of the images' grid; one if nothing is resized.
    private let taps: [[(row: Int, weight: Float)]]
    private let grid: Int

    /// - Parameters:
    ///   - grid: patches along a side in the table.
    ///   - size: patches along a side of the images.
    init(table: Int, grid: Int, size: Int) {
        (self.table, self.grid) = (table, grid)
        guard grid != size else {
            taps = (0..<size).map { [($0, 1)] }
            return
        }
        let scale = Float(grid) / Float(size)
        taps = (0..<size).map { place in
            let source = (Float(place) + 0.5) * scale - 0.5
            let below = source.rounded(.down)
            return zip(-1...2, Self.weights(source - below)).map { step, weight in
                (min(max(Int(below) + step, 0), grid - 1), weight)
            }
        }
    }

    /// The weights of the four neighbours of a place `t` behind the second, in single precision as in PyTorch.
    private static func weights(_ t: Float) -> [Float] {
        let a: Float = -0.75
        func near(_ x: Float) -> Float { ((a + 2) * x - (a + 3)) * x * x + 1 }
        func far(_ x: Float) -> Float { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
        return [far(t + 1), near(t), near(1 - t), far(2 - t)]
    }

    /// Adds the positions to an image's rows, `(1 + size², width)`.
    func add(_ parameters: UnsafePointer<Float>, to rows: UnsafeMutablePointer<Float>, width: Int) {
        mafin_axpy(width, 1, parameters + table, rows)
        forEachTap { row, entry, weight in
            mafin_axpy(width, weight, parameters + table + entry * width, rows + row * width)
        }
    }

    /// Adds the gradients of an image's rows to that of the table.
    func accumulate(_ rows: UnsafePointer<Float>, width: Int, into gradients: UnsafeMutablePointer<Float>) {
        mafin_axpy(width, 1, rows, gradients + table)
        forEachTap { row, entry, weight in
            mafin_axpy(width, weight, rows + row * width, gradients + table + entry * width)
        }
    }

    /// Calls `body` with each row of an image, and each row of the table that it takes, with its weight.
    private func forEachTap(_ body: (_ row: Int, _ entry: Int, _ weight: Float) -> Void) {
        for (y, vertical) in taps.enumerated() {
            for (x, horizontal) in taps.enumerated() {
                let row = 1 + y * taps.count + x
                for v in vertical {
                    for h in horizontal { body(row, 1 + v.row * grid + h.row, v.weight * h.weight) }
                }
            }
        }
    }
}
