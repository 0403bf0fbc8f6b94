import Foundation

/// A fixed block of floats, aligned to a cache line, that lives as long as the object.
///
/// Reads and writes go through `pointer`; whoever shares a buffer between threads hands out disjoint parts.
final class FloatBuffer: @unchecked Sendable {
    let count: Int
    let pointer: UnsafeMutablePointer<Float>

    /// - Parameter zeroed: whether the floats are 0 at first; scratch memory that is written before it is read need not be.
    init(count: Int, zeroed: Bool = false) {
        self.count = count
        var raw: UnsafeMutableRawPointer?
        let bytes = max(64, count * MemoryLayout<Float>.stride)
        guard posix_memalign(&raw, 64, bytes) == 0, let raw else {
            preconditionFailure("out of memory: \(bytes) bytes")
        }
        if zeroed { memset(raw, 0, bytes) }
        pointer = raw.bindMemory(to: Float.self, capacity: max(16, count))
    }

    deinit {
        free(pointer)
    }

    var buffer: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

    func clear() {
        memset(pointer, 0, count * MemoryLayout<Float>.stride)
    }

    func copy(from values: [Float], at offset: Int = 0) {
        precondition(offset + values.count <= count)
        values.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { (pointer + offset).update(from: base, count: source.count) }
        }
    }
}
