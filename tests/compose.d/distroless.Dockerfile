# Stands in for gcr.io/distroless/cc-debian12:nonroot: libraries, CA certificates and users only.
FROM standin/debian AS files
WORKDIR /packages
RUN apt-get update && apt-get download ca-certificates libc6 libgcc-s1 \
    && for package in *.deb; do dpkg-deb --extract "$package" /image; done \
    && rm -r /image/usr/sbin /image/usr/share/doc \
    && cat /image/usr/share/ca-certificates/mozilla/*.crt >/image/etc/ssl/certs/ca-certificates.crt \
    && echo 'root:x:0:0:root:/root:/sbin/nologin' >/image/etc/passwd \
    && echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >>/image/etc/passwd \
    && printf 'root:x:0:\nnonroot:x:65532:\n' >/image/etc/group \
    && mkdir -p -m 1777 /image/tmp && install -d -o 65532 -g 65532 /image/home/nonroot

FROM scratch
COPY --from=files /image /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532
WORKDIR /home/nonroot
