import Foundation

/// A block of floats of fixed size, aligned to a cache line. It exists as long as the object.
///
/// Reads and writes go through `pointer`. Threads that share a buffer must work on disjoint parts.
final class FloatBuffer: @unchecked Sendable {
    let count: Int
    let pointer: UnsafeMutablePointer<Float>
    /// Address and length of the pages of a large block.
    private let mapping: (base: UnsafeMutableRawPointer, bytes: Int)?

    /// Blocks of at least this size get pages of their own. Such pages are 0 at first, take memory only when they are
    /// used, and are returned to the system with the block.
    private static let mappedBytes = 1 << 20
    private static let hugePageBytes = 2 << 20

    /// - Parameters:
    ///   - zeroed: whether the floats are 0 at first. Scratch memory that is written before it is read need not be.
    ///   - sparsePrefix: number of floats at the start of which only some are used. Small pages save memory there.
    init(count: Int, zeroed: Bool = false, sparsePrefix: Int = 0) {
        self.count = count
        let bytes = max(64, count * MemoryLayout<Float>.stride)
        let raw: UnsafeMutableRawPointer
        if bytes >= Self.mappedBytes {
            (raw, mapping) = Self.map(bytes, smallPages: sparsePrefix * MemoryLayout<Float>.stride)
        } else {
            var allocated: UnsafeMutableRawPointer?
            guard posix_memalign(&allocated, 64, bytes) == 0, let allocated else {
                preconditionFailure("out of memory: \(bytes) bytes")
            }
            if zeroed { memset(allocated, 0, bytes) }
            (raw, mapping) = (allocated, nil)
        }
        pointer = raw.bindMemory(to: Float.self, capacity: max(16, count))
    }

    deinit {
        if let mapping {
            munmap(mapping.base, mapping.bytes)
        } else {
            free(pointer)
        }
    }

    /// Maps `bytes`; the first `smallPages` bytes get small pages.
    private static func map(_ bytes: Int, smallPages: Int) -> (UnsafeMutableRawPointer, (UnsafeMutableRawPointer, Int))
    {
        #if canImport(Darwin)
            let flags = MAP_PRIVATE | MAP_ANON
        #else
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        #endif
        let length = bytes + hugePageBytes
        guard let base = mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
            preconditionFailure("out of memory: \(bytes) bytes")
        }
        let start = base.alignedUp(toMultipleOf: hugePageBytes)
        #if os(Linux)
            // Pages of 2 MiB cause a five-hundredth of the page faults, and they keep the strided reads of products
            // within the TLB. If the kernel has none, small pages work too.
            let huge = (start + smallPages).alignedUp(toMultipleOf: hugePageBytes)
            if huge < start + bytes { madvise(huge, start + bytes - huge, MADV_HUGEPAGE) }
        #endif
        return (start, (base, length))
    }

    /// The same memory for bfloat16, two in the place of a float.
    var bfloat16: UnsafeMutablePointer<UInt16> { pointer.bfloat16 }

    var buffer: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

    func clear() {
        memset(pointer, 0, count * MemoryLayout<Float>.stride)
    }

    func copy(from values: [Float], at offset: Int = 0) { copy(from: values[...], at: offset) }

    func copy(from values: ArraySlice<Float>, at offset: Int = 0) {
        precondition(offset + values.count <= count)
        values.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { (pointer + offset).update(from: base, count: source.count) }
        }
    }
}

extension UnsafePointer<Float> {
    /// The memory as bfloat16, two in the place of a float. It never holds both kinds of numbers at a time.
    var bfloat16: UnsafePointer<UInt16> { UnsafeRawPointer(self).assumingMemoryBound(to: UInt16.self) }
}

extension UnsafeMutablePointer<Float> {
    /// The memory as bfloat16, two in the place of a float. It never holds both kinds of numbers at a time.
    var bfloat16: UnsafeMutablePointer<UInt16> { UnsafeMutableRawPointer(self).assumingMemoryBound(to: UInt16.self) }
}
