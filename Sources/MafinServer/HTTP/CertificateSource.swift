import Foundation
import NIOCore
import NIOSSL
import Synchronization

/// The certificate chain and private key of the service. They are read again when their files change. New connections then use the new ones,
/// and open connections stay open.
final class CertificateSource: Sendable {
    private struct Pair {
        var chain: [NIOSSLCertificateSource]
        var key: NIOSSLPrivateKeySource
    }

    private struct State {
        var pair: Pair
        var stamps: [FileStamp?]
    }

    private let certificate: URL
    private let key: URL
    private let state: Mutex<State>

    /// - Throws: if one of the files cannot be read, or the key does not belong to the certificate.
    init(certificate: URL, key: URL) throws {
        (self.certificate, self.key) = (certificate, key)
        let stamps = [certificate, key].map(FileStamp.init)
        state = Mutex(State(pair: try Self.read(certificate, key), stamps: stamps))
    }

    /// The server's configuration; its certificate is looked up at each handshake.
    var configuration: TLSConfiguration {
        let pair = state.withLock { $0.pair }
        var configuration = Self.configuration(pair)
        configuration.sslContextCallback = { [self] _, promise in
            let pair = state.withLock { $0.pair }
            var changes = NIOSSLContextConfigurationOverride()
            (changes.certificateChain, changes.privateKey) = (pair.chain, pair.key)
            promise.succeed(changes)
        }
        return configuration
    }

    /// Reads the files again if one of them changed. If they cannot be used, certificate and key stay as they are: one of the two
    /// files may not have been written yet.
    /// - Returns: what to tell the operator; `nil` if nothing changed.
    func refresh() -> String? {
        let stamps = [certificate, key].map(FileStamp.init)
        guard stamps != state.withLock({ $0.stamps }) else { return nil }
        do {
            let pair = try Self.read(certificate, key)
            state.withLock { ($0.pair, $0.stamps) = (pair, stamps) }
            return "the certificate was read again from \(certificate.path)"
        } catch {
            state.withLock { $0.stamps = stamps }
            return "the certificate stays as it was: \(error)"
        }
    }

    private static func read(_ certificate: URL, _ key: URL) throws -> Pair {
        let pair = Pair(
            chain: try NIOSSLCertificate.fromPEMFile(certificate.path).map { .certificate($0) },
            key: .privateKey(try NIOSSLPrivateKey(file: key.path, format: .pem)))
        // Fails if the two do not belong together.
        _ = try NIOSSLContext(configuration: configuration(pair))
        return pair
    }

    private static func configuration(_ pair: Pair) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: pair.chain, privateKey: pair.key)
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        return configuration
    }
}
