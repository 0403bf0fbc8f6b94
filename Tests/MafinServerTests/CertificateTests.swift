import Foundation
import MafinBlackBox
import MafinTestSupport
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import MafinServer

@Suite struct CertificateTests {
    /// Self-signed, for a.test and b.test, valid until 2126; made by `openssl req -x509 -newkey ec`. The keys protect nothing.
    private static let first = (
        certificate: """
        -----BEGIN CERTIFICATE-----
        MIIBeTCCAR+gAwIBAgIUW2q9W5TiII7K2uEGWhvq6snFztMwCgYIKoZIzj0EAwIw
        ETEPMA0GA1UEAwwGYS50ZXN0MCAXDTI2MTEyODE5Mjg0MFoYDzIxMjYxMTA0MTky
        ODQwWjARMQ8wDQYDVQQDDAZhLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
        AAQ9o5sNdDWzoPQNR1s1wRXM5yQq/dVq8hMPJ2Zazey9gTvVDSTmyHnwr240Gl53
        3PpFPLAU3nmVBuEE+btvc3JPo1MwUTAdBgNVHQ4EFgQU1e/4Bl7vODYUuPmEBrmD
        eL4Z3vswHwYDVR0jBBgwFoAU1e/4Bl7vODYUuPmEBrmDeL4Z3vswDwYDVR0TAQH/
        BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAkO3P5KeidGSzbkU0xy7BruXQx5G1
        JjqfG1+ywOe0M0oCIDnH0lGoOs9FGXx3jl7D+QXEHVNdFrVVlKGzf29ly5R8
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5T7cJYwLEX30uxc8
        P3qFJ6y+nLSs6sFdM6LdhUuc2yChRANCAAQ9o5sNdDWzoPQNR1s1wRXM5yQq/dVq
        8hMPJ2Zazey9gTvVDSTmyHnwr240Gl533PpFPLAU3nmVBuEE+btvc3JP
        -----END PRIVATE KEY-----
        """
    )
    private static let second = (
        certificate: """
        -----BEGIN CERTIFICATE-----
        MIIBeDCCAR+gAwIBAgIUUKqushlUx5afhg/DO5cxbx4dkV0wCgYIKoZIzj0EAwIw
        ETEPMA0GA1UEAwwGYi50ZXN0MCAXDTI2MTEyODE5Mjg0MFoYDzIxMjYxMTA0MTky
        ODQwWjARMQ8wDQYDVQQDDAZiLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
        AATBKEVjealauOK/VLPYjp5aI/buWQMkF/0jzcNhD6blJN2Y1uWm1NPkmpg74Az1
        bupnXcspe0f0LvEr8ce0oJMCo1MwUTAdBgNVHQ4EFgQUcTaCtXtUCeDt7geFbCnB
        olmfxMMwHwYDVR0jBBgwFoAUcTaCtXtUCeDt7geFbCnBolmfxMMwDwYDVR0TAQH/
        BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiB3VJJLxH6nmu2HHpS+PE1pE+rI9Imu
        NaOipXl5YknV3QIgO7NSHSV+PvwM7oC2b5uq8Rd5wGEw+UInJejv/dH5DZw=
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSk29cAVnl3Ia0OoK
        H2zLDfl5lRmfJBaI7ItBwF1qw2+hRANCAATBKEVjealauOK/VLPYjp5aI/buWQMk
        F/0jzcNhD6blJN2Y1uWm1NPkmpg74Az1bupnXcspe0f0LvEr8ce0oJMC
        -----END PRIVATE KEY-----
        """
    )

    /// The certificate that a server shows at a handshake, in DER.
    private func shown(by port: Int) async throws -> [UInt8] {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .noHostnameVerification
        let context = try NIOSSLContext(configuration: configuration)
        let shown = FirstResult<[UInt8]>()
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(
                            context: context, serverHostname: nil,
                            customVerificationCallback: { certificates, promise in
                                shown.finish(Result { try certificates[0].toDERBytes() })
                                promise.succeed(.certificateVerified)
                            }))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        let certificate = try await shown.value()
        try? await channel.close()
        return certificate
    }

    /// New connections get a renewed certificate without a restart. While only one of certificate and key is replaced,
    /// nothing changes.
    @Test func certificatesAreReadAgain() async throws {
        let toy = try ToyArtefact()
        var listening = MafinService.Listening(port: 0)
        listening.handlesSignals = false
        listening.certificate = try toy.folder.write(Self.first.certificate, to: "tls.crt")
        listening.privateKey = try toy.folder.write(Self.first.key, to: "tls.key")
        func der(_ pem: String) throws -> [UInt8] {
            try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem).toDERBytes()
        }
        let lines = Mutex<[String]>([])
        let service = try await toy.service(log: ServiceLog { line in lines.withLock { $0.append(line) } })
        let (ports, announced) = AsyncStream<Int>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { [listening] group in
            group.addTask { try await service.run(listening) { announced.yield($0) } }
            var port = 0
            for await announced in ports {
                port = announced
                break
            }
            #expect(try await shown(by: port) == der(Self.first.certificate) && service.isSecure)
            // The new certificate is there, the new key is not yet.
            try toy.folder.write(Self.second.certificate, to: "tls.crt")
            while !lines.withLock({ $0.contains { $0.contains("certificate stays as it was") } }) {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try await shown(by: port) == der(Self.first.certificate))
            try toy.folder.write(Self.second.key, to: "tls.key")
            let begun = ContinuousClock.now
            while try await shown(by: port) != der(Self.second.certificate), ContinuousClock.now - begun < .seconds(30)
            {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(try await shown(by: port) == der(Self.second.certificate))
            group.cancelAll()
            while let result = await group.nextResult() { _ = result }
        }
    }
}
