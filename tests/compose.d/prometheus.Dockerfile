# Stands in for prom/prometheus: Debian's 2.42, laid out and started as the official image is.
FROM standin/debian
RUN apt-get update && apt-get install -y --no-install-recommends prometheus wget \
    && install -d -o nobody -g nogroup /prometheus
USER nobody
WORKDIR /prometheus
VOLUME /prometheus
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
